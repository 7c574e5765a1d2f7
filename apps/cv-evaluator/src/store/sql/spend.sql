-- What another attempt took. A count that no provider gave stays null.
UPDATE cv_evaluation
SET spent_calls = spent_calls + $2,
    spent_prompt_tokens = CASE WHEN $3 IS NULL THEN spent_prompt_tokens ELSE COALESCE(spent_prompt_tokens, 0) + $3 END,
    spent_completion_tokens = CASE WHEN $4 IS NULL THEN spent_completion_tokens ELSE COALESCE(spent_completion_tokens, 0) + $4 END
WHERE id = $1
