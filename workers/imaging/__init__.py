"""Photos in, renditions out: strangers' bytes are decoded in child processes under limits only.

`decoders` is the pool a worker holds; `child` runs in each process of it; `recipe` says what is
made of a photo, `formats` what is taken, `render` does it.
"""
