"""ResNet-18 as an encoder, with the stem that small images need."""

from collections import OrderedDict

from torch import Tensor, nn

from ..study.image_size import ImageSize, sides_of
from .base import Encoder, halved, register
from .winograd import Conv2d

__all__ = ["ResNet18"]

SMALL = 64  # pixels; for images up to this size, the stem keeps the size


@register("resnet18")
class ResNet18(Encoder):
    """ResNet-18 without its last pooling and classifier: 64 to 512 channels in eight residual blocks.

    For images of up to 64 pixels (the longer side), the stem is one 3 × 3 convolution of stride 1 (SimCLR's variant for
    CIFAR-10), and the feature map is W/8 pixels wide, rounded up. For larger images, the stem is the paper's 7 × 7
    convolution of stride 2 with max pooling, and the map is W/32 pixels wide. 512 × 4 × 4 features for a 32-pixel
    image; 555 million multiply-adds per RGB image, 215 times those of `conv`, and 11.2 million parameters. Modules and
    weights have the names that they have in torchvision.

    Sources: He et al. 2016, deep residual learning; He et al. 2015 for the initial weights (normal, scaled by a
    convolution's fan-out); Chen et al. 2020, SimCLR, appendix B.9, for the stem.
    """

    def __init__(self, channels: int = 3, image_size: ImageSize = 32):
        layers: OrderedDict[str, nn.Module] = OrderedDict()
        small = max(sides_of(image_size)) <= SMALL
        kernel, stride = (3, 1) if small else (7, 2)
        layers["conv1"] = nn.Conv2d(channels, 64, kernel, stride, kernel // 2, bias=False)
        layers["bn1"] = nn.BatchNorm2d(64)
        layers["relu"] = nn.ReLU(inplace=True)
        if not small:
            layers["maxpool"] = nn.MaxPool2d(3, stride=2, padding=1)
        c_in = 64
        for i, (width, stride) in enumerate(((64, 1), (128, 2), (256, 2), (512, 2)), start=1):
            layers[f"layer{i}"] = nn.Sequential(_Block(c_in, width, stride), _Block(width, width))
            c_in = width
        super().__init__(channels, image_size, layers, (c_in, *halved(image_size, 3 if small else 5)))
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")


class _Block(nn.Module):
    """Residual block: two 3 × 3 convolutions, whose result is added to the input.

    If the shapes differ, a 1 × 1 convolution brings the input to the shape of the result.
    """

    def __init__(self, c_in: int, c_out: int, stride: int = 1):
        super().__init__()
        self.conv1 = Conv2d(c_in, c_out, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(c_out)
        self.conv2 = Conv2d(c_out, c_out, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(c_out)
        self.downsample = None
        if stride != 1 or c_in != c_out:
            self.downsample = nn.Sequential(nn.Conv2d(c_in, c_out, 1, stride, bias=False), nn.BatchNorm2d(c_out))

    def forward(self, x: Tensor) -> Tensor:
        """`[N, c_in, h, w]` → `[N, c_out, h/stride, w/stride]`."""
        y = self.bn1(self.conv1(x)).relu_()
        y = self.bn2(self.conv2(y))
        return (y + (x if self.downsample is None else self.downsample(x))).relu_()
