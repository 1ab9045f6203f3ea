CREATE OR REPLACE MACRO partition_of(file) AS parse_filename(file, true);

COMMENT ON MACRO partition_of IS 'Name of the partition that a file holds: the batch or the seed.';
