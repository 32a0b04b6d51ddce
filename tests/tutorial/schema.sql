CREATE TABLE user (id INTEGER PRIMARY KEY, username TEXT NOT NULL, email TEXT NOT NULL);
INSERT INTO user (username, email) VALUES ('user1', 'user1@example.com');
INSERT INTO user (username, email) VALUES ('user2', 'user2@example.com');
