"""The packages that `keras_questions` asks: one module each, by its own API.

`network(height, width, channels)` builds a U-Net of one class over a ResNet, and
`pretrained(path, channels)` one whose encoder begins with the weights in a file, which
`encoder()` built for three channels; `volumetric()` builds one in 3D. `DICE` holds
metrics by name, each a function of truth and prediction (B, H, W, 1), and `dice_loss`
takes truth and logits. `save` writes a network to a folder as the package does, and
`load` reads it again.
"""
