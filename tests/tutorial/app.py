from flask import Flask, jsonify
import sqlite3

app = Flask(__name__)
app.config['JSON_SORT_KEYS'] = False

def get_db_connection():
   conn = sqlite3.connect('mydatabase.db')
   conn.row_factory = sqlite3.Row
   return conn

@app.route('/')
def index():
   conn = get_db_connection()
   cursor = conn.cursor()
   cursor.execute("SELECT * FROM user")
   rows = cursor.fetchall()
   return jsonify([dict(row) for row in rows])

if __name__ == '__main__':
   app.run(host='0.0.0.0', port=80)
