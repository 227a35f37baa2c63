"""What the package costs and how often it is right, measured; each module is a program."""
