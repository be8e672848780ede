"""The demo: Traefik, Secondgate, a sample application and a mail page, in one folder and on one machine.

Everything in it is the product's own: the configuration is read as any other, and Traefik runs the files that people
include.
"""

from secondgate.demo.run import run_demo

__all__ = ["run_demo"]
