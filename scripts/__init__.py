"""What is run by hand when its sources change: pages from records and configs, the digits CLIP."""
