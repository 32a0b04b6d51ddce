from contextlib import closing

from flask import Flask, abort, jsonify, request
from werkzeug.security import check_password_hash, generate_password_hash
import psycopg2

app = Flask(__name__)

def get_db_connection():
   return psycopg2.connect(host='db', user='postgres', dbname='auth')

def credentials():
   given = request.get_json()
   return given['username'], given['password']

@app.route('/register', methods=['POST'])
def register():
   name, password = credentials()
   with closing(get_db_connection()) as conn, conn, conn.cursor() as cursor:
      cursor.execute('CREATE TABLE IF NOT EXISTS account (name TEXT PRIMARY KEY, password TEXT NOT NULL)')
      cursor.execute('INSERT INTO account VALUES (%s, %s) ON CONFLICT DO NOTHING', (name, generate_password_hash(password)))
      if cursor.rowcount != 1:
         abort(409)
   return jsonify(username=name), 201

@app.route('/login', methods=['POST'])
def login():
   name, password = credentials()
   with closing(get_db_connection()) as conn, conn.cursor() as cursor:
      cursor.execute('SELECT password FROM account WHERE name = %s', (name,))
      row = cursor.fetchone()
   if row is None or not check_password_hash(row[0], password):
      abort(401)
   return jsonify(username=name)

if __name__ == '__main__':
   app.run(host='0.0.0.0', port=80)
