CREATE OR REPLACE MACRO graded(status) AS status NOT IN ('infra_error', 'unknown');

COMMENT ON MACRO graded IS 'Whether a test outcome says something about the model: neither the grader''s failure nor nobody''s grade; NULL without an outcome.';
