"""What a developer's environment tells AWS SDKs and the server is kept from all tests."""

import os

# MILLPOND_BIN names the server to test, all others would be its settings.
for name in list(os.environ):
    if name.startswith(("AWS_", "OTEL_", "MILLPOND_")) and name != "MILLPOND_BIN":
        del os.environ[name]
