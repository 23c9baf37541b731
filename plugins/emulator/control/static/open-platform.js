// The dashboard's panel of the third-party platform.
