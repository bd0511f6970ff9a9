"""The scenarios, by what is broken. Importing a module registers its scenarios."""

import importlib
import pkgutil

for _module in pkgutil.iter_modules(__path__):
    importlib.import_module(f"{__name__}.{_module.name}")
