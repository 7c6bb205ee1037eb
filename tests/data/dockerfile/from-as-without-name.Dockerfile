FROM a AS
FROM b as c d
FROM c # comment
