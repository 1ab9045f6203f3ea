CREATE OR REPLACE MACRO critic_of_version(file) AS parse_path(file)[-3];

COMMENT ON MACRO critic_of_version IS 'The critic of a file in critic_versions or verdict_versions.';
