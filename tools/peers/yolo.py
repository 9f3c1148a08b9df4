"""A network of YOLOv8n's topology, with the decoding of its head."""
import torch
from torch import nn

CLASSES, BINS = 80, 16
CHANNELS = (16, 32, 64, 128, 256)
STRIDES = (8, 16, 32)


class Conv(nn.Module):
    def __init__(self, inner, outer, kernel=1, stride=1):
        super().__init__()
        self.conv = nn.Conv2d(inner, outer, kernel, stride, kernel // 2, bias=False)
        self.norm, self.act = nn.BatchNorm2d(outer), nn.SiLU()

    def forward(self, x):
        return self.act(self.norm(self.conv(x)))


class C2f(nn.Module):
    def __init__(self, inner, outer, depth=1, shortcut=True):
        super().__init__()
        half, self.shortcut = outer // 2, shortcut
        self.enter, self.leave = Conv(inner, outer), Conv((2 + depth) * half, outer)
        self.blocks = nn.ModuleList(nn.Sequential(Conv(half, half, 3), Conv(half, half, 3)) for _ in range(depth))

    def forward(self, x):
        parts = list(self.enter(x).chunk(2, 1))
        for block in self.blocks:
            parts.append(parts[-1] + block(parts[-1]) if self.shortcut else block(parts[-1]))
        return self.leave(torch.cat(parts, 1))


class SPPF(nn.Module):
    def __init__(self, inner, outer):
        super().__init__()
        self.enter, self.leave, self.pool = Conv(inner, inner // 2), Conv(inner * 2, outer), nn.MaxPool2d(5, 1, 2)

    def forward(self, x):
        parts = [self.enter(x)]
        for _ in range(3):
            parts.append(self.pool(parts[-1]))
        return self.leave(torch.cat(parts, 1))


def head(width, outputs):
    return nn.ModuleList(
        nn.Sequential(Conv(c, width, 3), Conv(width, width, 3), nn.Conv2d(width, outputs, 1)) for c in CHANNELS[2:])


def cell_centers(features):
    """The centers of all cells and their strides."""
    centers, strides = [], []
    for feature, stride in zip(features, STRIDES):
        height, width = feature.shape[2:]
        steps = [torch.arange(n, dtype=torch.float32) + 0.5 for n in (height, width)]
        y, x = torch.meshgrid(*steps, indexing="ij")
        centers.append(torch.stack([x.reshape(-1), y.reshape(-1)], 0))
        strides.append(torch.full((1, height * width), float(stride)))
    return torch.cat(centers, 1), torch.cat(strides, 1)


class YoloLike(nn.Module):
    def __init__(self):
        super().__init__()
        a, b, c, d, e = CHANNELS
        self.stem = nn.Sequential(Conv(3, a, 3, 2), Conv(a, b, 3, 2), C2f(b, b, 1))
        self.stage2 = nn.Sequential(Conv(b, c, 3, 2), C2f(c, c, 2))
        self.stage3 = nn.Sequential(Conv(c, d, 3, 2), C2f(d, d, 2))
        self.stage4 = nn.Sequential(Conv(d, e, 3, 2), C2f(e, e, 1), SPPF(e, e))
        self.up = nn.Upsample(scale_factor=2)
        self.merge1, self.merge2 = C2f(e + d, d, 1, False), C2f(d + c, c, 1, False)
        self.down1, self.merge3 = Conv(c, c, 3, 2), C2f(c + d, d, 1, False)
        self.down2, self.merge4 = Conv(d, d, 3, 2), C2f(d + e, e, 1, False)
        self.boxes, self.classes = head(4 * BINS, 4 * BINS), head(CLASSES, CLASSES)

    def features(self, x):
        early = self.stage2(self.stem(x))
        middle = self.stage3(early)
        late = self.stage4(middle)
        up1 = self.merge1(torch.cat([self.up(late), middle], 1))
        up2 = self.merge2(torch.cat([self.up(up1), early], 1))
        down1 = self.merge3(torch.cat([self.down1(up2), up1], 1))
        return up2, down1, self.merge4(torch.cat([self.down2(down1), late], 1))

    def forward(self, x):
        features = self.features(x)
        heads = [torch.cat([b(f), c(f)], 1).flatten(2) for f, b, c in zip(features, self.boxes, self.classes)]
        centers, strides = cell_centers(features)
        boxes, classes = torch.cat(heads, 2).split([4 * BINS, CLASSES], 1)
        weights = boxes.view(boxes.shape[0], 4, BINS, -1).transpose(1, 2).softmax(1)
        distances = (weights * torch.arange(BINS, dtype=torch.float32).view(1, BINS, 1, 1)).sum(1)
        before, after = distances.chunk(2, 1)
        low, high = centers - before, centers + after
        return torch.cat([torch.cat([(low + high) / 2, high - low], 1) * strides, classes.sigmoid()], 1)
