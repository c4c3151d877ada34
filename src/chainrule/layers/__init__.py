"""The layers networks are made of; names and meanings are Keras' where Keras has them."""

from chainrule.layers.base import Layer
from chainrule.layers.dense import Dense, Embedding, TiedDense
from chainrule.layers.merging import Add, Average, Concatenate, Maximum, Minimum, Multiply, Subtract
from chainrule.layers.noise import CycledDropout, Dropout, GaussianNoise, RandomFlip, RandomShift
from chainrule.layers.normalization import BatchNormalization, LayerNormalization
from chainrule.layers.shaping import Activation, Flatten, Lambda, Rescaling, Reshape

__all__ = [
    "Activation",
    "Add",
    "Average",
    "BatchNormalization",
    "Concatenate",
    "CycledDropout",
    "Dense",
    "Dropout",
    "Embedding",
    "Flatten",
    "GaussianNoise",
    "Lambda",
    "Layer",
    "LayerNormalization",
    "Maximum",
    "Minimum",
    "Multiply",
    "RandomFlip",
    "RandomShift",
    "Rescaling",
    "Reshape",
    "Subtract",
    "TiedDense",
]
