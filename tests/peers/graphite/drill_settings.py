"""Debian's graphite-web in a folder of the drill's own: no carbon, no cache, no database of the system."""

import os

STORAGE_DIR = CONF_DIR = LOG_DIR = os.environ["GRAPHITE_DRILL"]
WHISPER_DIR = os.path.join(STORAGE_DIR, "whisper")
STANDARD_DIRS = [WHISPER_DIR]
INDEX_FILE = os.path.join(STORAGE_DIR, "index")
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": os.path.join(STORAGE_DIR, "db")}}
SECRET_KEY = "of a drill"
CARBONLINK_HOSTS = []
LOG_ROTATION = False
