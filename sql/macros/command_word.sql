-- Leading comments, `cd … &&`, assignments and wrappers (sudo, time, timeout N) with their options
-- are skipped; a value may be quoted, escaped, or the output of a command ($(…), `…`).
-- Tools other than a shell are given JSON: there it is the argument named command (view, create, …).
CREATE OR REPLACE MACRO command_word(command) AS
    nullif(
        CASE
            WHEN starts_with(ltrim(command), '{')
                THEN TRY_CAST(command AS JSON) ->> '$.command'
            ELSE regexp_extract(
                regexp_replace(
                    left(command, 4096),
                    '^(\s+|\\\n|\(|#[^\n]*(\n|$)'
                    || '|cd\s+("(\\.|[^"\\])*"|''[^'']*''|\$\([^()]*\)|`[^`]*`|\\.|[^\s;&|"''`\\])*\s*(&&|;|\n)'
                    || '|[A-Za-z_][A-Za-z0-9_]*=("(\\.|[^"\\])*"|''[^'']*''|\$\([^()]*\)|`[^`]*`|\\.|[^\s;&|"''`\\])*(\s*(&&|;)|\s+|$)'
                    || '|(sudo(\s+-[ughCpT]\s+\S+|\s+-\S+)*|time(\s+-\S+)*|nohup)\s+'
                    || '|timeout(\s+-[ks]\s+\S+|\s+-\S+)*\s+\S+\s+)+',
                    ''
                ),
                '^(?:[^\s;|&<>()]*/)?([^\s;|&<>()/]+)',
                1
            )
        END,
        ''
    );

COMMENT ON MACRO command_word IS 'The program a command starts (grep, python, sed), or the sub-command a tool was given (view, str_replace); NULL where there is none.';
