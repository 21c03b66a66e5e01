"""What applications call has types and a description, each parameter of it."""

import inspect
import pathlib
import unittest

import crosspoint
from crosspoint import Client, Pending
from crosspoint.rooms import Rooms
from crosspoint.streams import Stream


def public(kind):
    for name, member in vars(kind).items():
        function = member.fget if isinstance(member, property) else member
        if inspect.isfunction(function) and not name.startswith("_"):
            yield "%s.%s" % (kind.__name__, name), function


class Types(unittest.TestCase):
    def test_every_call_has_types_and_says_what_it_does(self):
        count = 0
        for kind in (Client, Rooms, Stream, Pending):
            for name, function in (*public(kind), (kind.__name__, kind.__init__)):
                if function is Pending.__init__:
                    continue
                with self.subTest(name):
                    signature = inspect.signature(function)
                    missing = [one.name for one in list(signature.parameters.values())[1:] if one.annotation is inspect.Parameter.empty]
                    self.assertEqual(missing, [])
                    self.assertIsNot(signature.return_annotation, inspect.Signature.empty)
                    self.assertTrue(function is kind.__init__ or inspect.getdoc(function))
                count += 1
        self.assertGreater(count, 60)

    def test_everything_that_is_exported_is_described(self):
        for name in crosspoint.__all__:
            with self.subTest(name):
                self.assertTrue(inspect.getdoc(getattr(crosspoint, name)))

    def test_type_checkers_are_told(self):
        self.assertTrue((pathlib.Path(crosspoint.__file__).parent / "py.typed").exists())


if __name__ == "__main__":
    unittest.main()
