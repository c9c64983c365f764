"""Notes figures as carbon does, in a file of whisper: a figure a minute, for two days. They come as lines, second and figure."""

import os
import sys

import whisper

file = sys.argv[1]
os.makedirs(os.path.dirname(file), exist_ok=True)
whisper.create(file, [(60, 2 * 24 * 60)])
whisper.update_many(file, [(int(second), float(figure)) for second, figure in (line.split() for line in sys.stdin)])
