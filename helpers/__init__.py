"""What the notebooks of From Backprop to LeNet build by hand, packed up for the later ones."""
