"""What ``semdd tune`` searches, and on which images it judges; none of them are of the test split."""
