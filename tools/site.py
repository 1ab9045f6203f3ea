"""What mkdocs shows beside docs/: the pages at the top of the repository. See mkdocs.yml."""

from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

TOP = {
    "README.md": "index.md",
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changelog.md",
    "SECURITY.md": "security.md",
}


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add them, with their links as they are from within docs/."""
    links = {"docs/": "", **{f"{top})": f"{page})" for top, page in TOP.items()}}
    for name, page in TOP.items():
        text = (Path(config.config_file_path).parent / name).read_text(encoding="utf-8")
        for link, inside in links.items():
            text = text.replace(f"]({link}", f"]({inside}")
        files.append(File.generated(config, page, content=text))
    return files
