"""Data sets in the COCO keypoints format: any file of the user's, AP-10K and Animal-Pose."""
