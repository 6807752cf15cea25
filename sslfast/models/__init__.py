"""Encoders, decoders, heads, and encoders on disk."""

from .base import Encoder, feature_shape, register
from .base_nets import BaseNet
from .build import as_encoder, base_encoder, image_shape, initialised_with
from .decoders import create_decoder
from .encoders import create_encoder
from .files import load_encoder, read_spec, save_encoder
from .heads import AutoEncoder, Classifier, Features, create_head, dropout_of
from .resnet import ResNet18

__all__ = [
    "AutoEncoder",
    "BaseNet",
    "Classifier",
    "Encoder",
    "Features",
    "ResNet18",
    "as_encoder",
    "base_encoder",
    "create_decoder",
    "create_encoder",
    "create_head",
    "dropout_of",
    "feature_shape",
    "image_shape",
    "initialised_with",
    "load_encoder",
    "read_spec",
    "register",
    "save_encoder",
]
