from contextlib import closing

from flask import Flask, jsonify
import psycopg2
import psycopg2.extras

app = Flask(__name__)
app.config['JSON_SORT_KEYS'] = False

def get_db_connection():
   return psycopg2.connect(host='db', user='postgres', password='example', cursor_factory=psycopg2.extras.RealDictCursor)

@app.route('/')
def index():
   with closing(get_db_connection()) as conn:
      cursor = conn.cursor()
      cursor.execute("SELECT to_regclass('\"user\"') AS found")
      if cursor.fetchone()['found'] is None:
         return jsonify([])
      cursor.execute('SELECT * FROM "user" ORDER BY id')
      return jsonify(cursor.fetchall())

if __name__ == '__main__':
   app.run(host='0.0.0.0', port=80)
