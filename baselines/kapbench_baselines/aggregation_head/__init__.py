"""Released heads that aggregate a frozen backbone's features: the network and the DIY-SC encoders."""
