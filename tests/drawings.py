"""What an SVG file shows."""

import base64
import io
import re
from xml.etree import ElementTree

import numpy as np
from PIL import Image


def drawn_images(svg):
    """The images, as arrays (H, W, RGBA)."""
    found = re.findall(r"data:image/png;base64,([^\"]+)", svg)
    return [np.asarray(Image.open(io.BytesIO(base64.b64decode(data))).convert("RGBA")) for data in found]


def drawn_texts(svg):
    """The texts, in order."""
    return [element.text for element in ElementTree.fromstring(svg).iter() if element.tag.endswith("}text")]
