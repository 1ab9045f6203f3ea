"""Write `docs/schema.md` anew: `python -m tests.sql.write_schema_doc`."""

import tempfile
from pathlib import Path

from srft_assets.home import Home
from srft_assets.schemas import SCHEMAS
from srft_assets.warehouse.empty import write_schema_files
from srft_assets.warehouse.schema_doc import schema_markdown
from srft_assets.warehouse.statements import sql_folder

if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        home = Home(Path(folder))
        write_schema_files(home, SCHEMAS, anew=True)
        document = sql_folder().parent / "docs" / "schema.md"
        document.parent.mkdir(exist_ok=True)
        document.write_text(schema_markdown(home, SCHEMAS))
