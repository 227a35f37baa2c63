"""What the package costs at scale, measured; each module is a program."""
