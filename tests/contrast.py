"""Contrast as WCAG 2 defines it, measured in a page by the browser itself."""

from __future__ import annotations

__all__ = ["CONTRASTS"]

# Of every piece of text: what it is, and its contrast with what lies behind it, as WCAG 2 defines that.
CONTRASTS = """pieces => {
  const pixel = document.createElement("canvas").getContext("2d", {willReadFrequently: true})
  const over = (colours) => {  // from behind to in front, as the browser mixes them
    pixel.clearRect(0, 0, 1, 1)
    for (const colour of colours) { pixel.fillStyle = colour; pixel.fillRect(0, 0, 1, 1) }
    return [...pixel.getImageData(0, 0, 1, 1).data].slice(0, 3)
  }
  const light = (rgb) => {
    const [r, g, b] = rgb.map(x => x / 255).map(x => x <= 0.04045 ? x / 12.92 : ((x + 0.055) / 1.055) ** 2.4)
    return 0.2126 * r + 0.7152 * g + 0.0722 * b
  }
  return pieces.map(piece => {
    const grounds = ["white"]
    const behind = []
    for (let at = piece; at; at = at.parentElement) behind.unshift(getComputedStyle(at).backgroundColor)
    grounds.push(...behind)
    const ground = light(over(grounds)), ink = light(over([...grounds, getComputedStyle(piece).color]))
    const ratio = (Math.max(ground, ink) + 0.05) / (Math.min(ground, ink) + 0.05)
    const changed = piece.closest(".other") ? " other" : ""
    return [`${piece.tagName.toLowerCase()}.${piece.className}${changed}`, ratio]
  })
}"""
