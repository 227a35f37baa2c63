"""Teachers: CLIP itself, checkpoints of this package and of others, torchvision, timm, and ensembles."""
