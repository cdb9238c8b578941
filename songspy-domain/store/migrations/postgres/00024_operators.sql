-- +goose Up
-- A keyed hash of the verified address with which an operator signed in; NULL for
-- everyone else. It is compared with the addresses of the present operators.
ALTER TABLE sessions ADD COLUMN operator_hash bytea;
