CREATE OR REPLACE MACRO warehouse_path() AS $root;

COMMENT ON MACRO warehouse_path IS 'Folder of the warehouse.';

CREATE OR REPLACE MACRO warehouse_glob() AS $root_glob;

COMMENT ON MACRO warehouse_glob IS 'Folder of the warehouse as a glob pattern that matches only itself.';
