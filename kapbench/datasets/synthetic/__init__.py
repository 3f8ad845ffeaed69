"""The embedded data set: rendered objects with exact keypoints."""
