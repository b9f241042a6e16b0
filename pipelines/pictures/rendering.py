"""A mesh as an image: flat shading, both sides of every face, an exact depth buffer, no graphics card.

Depth is exact because furniture and its like are made of few large triangles, which sorting by distance
gets visibly wrong. Some 0.1 s for 1500 faces at 256 pixels.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

COLOUR = (116, 148, 196)
BACKGROUND = (255, 255, 255)
_LIGHTS = ((np.array([-0.4, 0.75, 0.75]), 0.8), (np.array([0.9, 0.1, 0.5]), 0.2))
_AMBIENT = 0.35
_OVERSAMPLING = 2  # pixels a side that are averaged into one: smooth edges


def render_mesh(
    vertices: ArrayLike,
    faces: ArrayLike,
    size: int = 256,
    azimuth_degrees: float = 35,
    elevation_degrees: float = 24,
    colour: tuple[int, int, int] = COLOUR,
) -> NDArray[np.uint8]:
    """RGB image (size, size, 3) of a mesh of (V, 3) vertices and (F, 3) faces; y is up.

    The view fits the mesh. Vertices that no face uses, faces with coordinates that are not finite, and
    an empty mesh draw nothing.
    """
    points, triangles = np.asarray(vertices, dtype=float).reshape(-1, 3), np.asarray(faces).reshape(-1, 3)
    corners = points[triangles]
    corners = corners[np.isfinite(corners).all(axis=(1, 2))]
    pixels = size * _OVERSAMPLING
    image = np.full((pixels, pixels, 3), BACKGROUND, dtype=np.float32)
    if len(corners):
        seen = _in_view(corners, np.radians(azimuth_degrees), np.radians(elevation_degrees))
        brightness = _brightness(seen)
        _rasterise(_on_screen(seen, pixels), np.outer(brightness, colour).clip(0, 255), image)
    coarse = image.reshape(size, _OVERSAMPLING, size, _OVERSAMPLING, 3).mean(axis=(1, 3))
    return coarse.round().astype(np.uint8)


def _in_view(corners: NDArray[np.float64], azimuth: float, elevation: float) -> NDArray[np.float64]:
    """Turn (F, 3, 3) corners so that the viewer looks along -z, and centre them."""
    used = corners.reshape(-1, 3)
    centred = corners - (used.min(axis=0) + used.max(axis=0)) / 2
    cosine, sine = np.cos(azimuth), np.sin(azimuth)
    about_y = np.array([[cosine, 0, -sine], [0, 1, 0], [sine, 0, cosine]])
    cosine, sine = np.cos(elevation), np.sin(elevation)
    about_x = np.array([[1, 0, 0], [0, cosine, -sine], [0, sine, cosine]])
    return centred @ (about_x @ about_y).T


def _brightness(seen: NDArray[np.float64]) -> NDArray[np.float64]:
    """Of each face, 0 to about 1: its normal is first turned to the viewer, so that both sides are lit."""
    normals = np.cross(seen[:, 1] - seen[:, 0], seen[:, 2] - seen[:, 0])
    lengths = np.linalg.norm(normals, axis=1, keepdims=True)
    normals = np.divide(normals, lengths, out=np.zeros_like(normals), where=lengths > 0)
    normals *= np.where(normals[:, 2:] < 0, -1, 1)
    light = np.full(len(seen), _AMBIENT)
    for direction, strength in _LIGHTS:
        light += strength * (normals @ (direction / np.linalg.norm(direction))).clip(0)
    return light


def _on_screen(seen: NDArray[np.float64], pixels: int) -> NDArray[np.float64]:
    """Columns, rows (downwards) and depths, with a margin of 6 %."""
    flat = seen.reshape(-1, 3)
    low, high = flat[:, :2].min(axis=0), flat[:, :2].max(axis=0)
    scale = pixels * 0.88 / max(float((high - low).max()), 1e-12)
    middle = (low + high) / 2
    screen = seen.copy()
    screen[..., 0] = (seen[..., 0] - middle[0]) * scale + pixels / 2
    screen[..., 1] = pixels / 2 - (seen[..., 1] - middle[1]) * scale
    return screen


def _rasterise(screen: NDArray[np.float64], colours: NDArray[np.float64], image: NDArray[np.float32]) -> None:
    """Fill `image` in place with the nearest triangle at each pixel's centre."""
    height, width = image.shape[:2]
    depth = np.full((height, width), -np.inf)
    low = np.floor(screen[..., :2].min(axis=1) - 0.5).astype(int).clip(0)
    high = np.ceil(screen[..., :2].max(axis=1) + 0.5).astype(int).clip(0, (width, height))
    for triangle, colour, (left, top), (right, bottom) in zip(screen, colours, low, high, strict=True):
        (ax, ay, az), (bx, by, bz), (cx, cy, cz) = triangle
        area = (bx - ax) * (cy - ay) - (cx - ax) * (by - ay)
        if abs(area) < 1e-9:  # seen edge on
            continue
        x = np.arange(left, right) + 0.5
        y = (np.arange(top, bottom) + 0.5)[:, None]
        weight_b = ((x - ax) * (cy - ay) - (cx - ax) * (y - ay)) / area
        weight_c = ((bx - ax) * (y - ay) - (x - ax) * (by - ay)) / area
        z = az + weight_b * (bz - az) + weight_c * (cz - az)
        window = depth[top:bottom, left:right]
        is_seen = (weight_b >= 0) & (weight_c >= 0) & (weight_b + weight_c <= 1) & (z > window)
        window[is_seen] = z[is_seen]
        image[top:bottom, left:right][is_seen] = colour
