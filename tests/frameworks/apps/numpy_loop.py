"""NumPy, which lets go of the GIL where it multiplies."""
import numpy

SQUARE = numpy.random.rand(700, 700)


def multiply():
    return SQUARE @ SQUARE


def view():
    while True:
        multiply()


print("ready", flush=True)
view()
