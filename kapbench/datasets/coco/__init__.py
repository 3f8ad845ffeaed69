"""Data sets in the COCO keypoints format: any file of the user's, and AP-10K."""
