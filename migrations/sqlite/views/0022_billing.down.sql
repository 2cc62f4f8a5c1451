-- There is no credit.
DROP TABLE credit_transactions;
DROP TABLE credit_accounts;
DELETE FROM clients;
DELETE FROM projection_generations WHERE projection IN ('credit_accounts', 'credit_transactions', 'clients');
DELETE FROM projections WHERE name IN ('credit_accounts', 'credit_transactions', 'clients');
