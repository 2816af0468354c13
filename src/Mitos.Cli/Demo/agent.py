# The demo's agent: reads a part of the Python standard library into an index in memory and a SQLite database, then answers
# strategies: lines of weights, each scored by how well they find a function from the first sentence of its documentation.
import ast, collections, math, os, random, re, sqlite3, sys, time

FOLDER, DEADLINE = "/usr/lib/python3.11", time.time() + float(sys.argv[1])
WORD = re.compile(r"[a-z]{3,}")


def words(text):
    return WORD.findall(re.sub(r"([a-z])([A-Z])", r"\1 \2", text or "").replace("_", " ").lower())


functions, index = [], {"name": collections.defaultdict(list), "doc": collections.defaultdict(list), "calls": collections.defaultdict(list), "file": collections.defaultdict(list)}
database = sqlite3.connect("/tmp/agent/index.db")
database.execute("create table functions (id integer primary key, name text, file text, line integer, doc text)")
files = sorted(os.path.join(base, name) for base, _, names in os.walk(FOLDER) for name in names if name.endswith(".py") and "test" not in base)
trees = []
for path in files:
    if time.time() > DEADLINE:
        break
    try:
        tree = ast.parse(open(path, encoding="utf-8").read())
    except (SyntaxError, UnicodeDecodeError):
        continue
    trees.append(tree)  # a working set as a real agent's: the trees stay in memory
    for node in ast.walk(tree):
        if not isinstance(node, ast.FunctionDef):
            continue
        number, doc = len(functions), ast.get_docstring(node) or ""
        first, _, rest = doc.partition(".")
        functions.append((node.name, path, first))  # what is asked for; only the rest of the documentation can be searched
        calls = [part.attr if isinstance(part, ast.Attribute) else part.id for call in ast.walk(node) if isinstance(call, ast.Call) for part in [call.func] if isinstance(part, (ast.Attribute, ast.Name))]
        for field, found in (("name", words(node.name)), ("doc", words(rest)), ("calls", words(" ".join(calls))), ("file", words(os.path.relpath(path, FOLDER)))):
            for word in set(found):
                index[field][word].append(number)
        database.execute("insert into functions values (?, ?, ?, ?, ?)", (number, node.name, path, node.lineno, doc))
database.commit()
queries = [(i, set(words(f[2]))) for i, f in enumerate(functions) if 4 <= len(set(words(f[2]))) <= 14]
random.Random(7).shuffle(queries)
queries = queries[:40]


def score(weights):
    total = 0
    for answer, query in queries:
        ranks = collections.Counter()
        for field, weight in weights.items():
            for word in query if weight else ():
                found = index[field].get(word, ())
                for number in found:
                    ranks[number] += weight * math.log(len(functions) / len(found))
        best = ranks.get(answer, 0)
        if best:
            total += 1 / (1 + sum(1 for value in ranks.values() if value > best))
    return total / len(queries)


open("/tmp/agent/ready", "w").write(f"{len(functions)} functions of {len(trees)} files\n")
while True:
    with open("/tmp/agent/ask") as ask:
        line = ask.readline()
    started = time.time()
    weights = dict(zip(("name", "doc", "calls", "file"), map(float, line.split())))
    with open("/tmp/agent/answer", "w") as answer:
        answer.write(f"{score(weights):.4f} {time.time() - started:.2f} {random.random():.6f}\n")
