"""Pictures of what was found, as SVG: numbers in, text out."""
