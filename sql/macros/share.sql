CREATE OR REPLACE MACRO share(part, whole) AS part / nullif(whole, 0);

COMMENT ON MACRO share IS 'part / whole, between 0 and 1; NULL where the whole is 0.';
