CREATE OR REPLACE MACRO folder_of(file) AS parse_path(file)[-2];

COMMENT ON MACRO folder_of IS 'Name of the folder a partition file lies in: the arm or the critic.';
