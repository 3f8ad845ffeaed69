"""Corruptions of Hendrycks and Dietterich, "Benchmarking Neural Network Robustness to Common
Corruptions and Perturbations", ICLR 2019: the definitions of ImageNet-C, written anew.

The parameters of each severity are those of github.com/hendrycks/robustness, file
ImageNet-C/create_c/make_imagenet_c.py, which made ImageNet-C of images of 224×224 px. They are in
pixels and are not scaled with the image. Images are [h w 3] from 0 to 1; what leaves this range is
cut off at the end.
"""
