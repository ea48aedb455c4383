"""The models that come with Bramble, one architecture a file, each a function ``build(input_shape, classes)``.

All end in logits (no softmax): answers can then be compared finely, and teachers can be softened.
"""
