"""Builds the Java programs of a folder and makes command lines that start them."""

from functools import cache
from pathlib import Path

import programs

# The first time, everything that the programs depend on comes from Maven Central.
BUILD_SECONDS_MAX = 900


class Java:
    """The programs of a folder with a pom.xml, compiled."""

    def __init__(self, folder: Path):
        goals = ["compile", "dependency:build-classpath"]
        programs.run(
            ["mvn", "-q", "-B", *goals, "-Dmdep.outputFile=target/classpath"],
            folder,
            programs.environment(""),
            BUILD_SECONDS_MAX,
        )
        self.folder = folder
        libraries = (folder / "target/classpath").read_text()
        self.classpath = f"{folder / 'target/classes'}:{libraries}"

    def command(self, main: str, *arguments: str, heap: str = "256m", **settings: str) -> list[str]:
        """The command line of a class with a `main`; `settings` are its system properties."""
        properties = [f"-D{name}={value}" for name, value in settings.items()]
        return ["java", f"-Xmx{heap}", *properties, "-cp", self.classpath, main, *arguments]


@cache
def built(folder: Path) -> Java:
    """The programs of a folder, compiled once for all tests."""
    return Java(folder)
