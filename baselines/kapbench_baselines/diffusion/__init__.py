"""Features of Stable Diffusion's UNet, by diffusers."""
