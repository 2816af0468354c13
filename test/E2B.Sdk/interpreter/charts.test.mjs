import assert from 'node:assert/strict'
import { sharedInterpreterTest as shared } from '../lib/interpreter.mjs'

async function chartOf(sandbox, code) {
  const { results, error } = await sandbox.runCode(`import datetime, numpy as np, matplotlib.pyplot as plt\n${code}\nplt.show()`)
  assert.equal(error, undefined)
  assert.ok(results[0].png)
  return results[0].chart
}

shared('line', async (sandbox) => {
  const chart = await chartOf(sandbox, `
dates = [datetime.date(2023, 9, 1) + datetime.timedelta(days=i) for i in range(100)]
x = np.linspace(0, 2 * np.pi, 100)
plt.plot(dates, np.sin(x), label='sin(x)'); plt.plot(dates, np.cos(x), label='cos(x)')
plt.xlabel('Time (s)'); plt.ylabel('Amplitude [Hz]'); plt.title('Plot of sin(x) and cos(x)')`)
  assert.deepEqual([chart.type, chart.title, chart.x_label, chart.y_label], ['line', 'Plot of sin(x) and cos(x)', 'Time (s)', 'Amplitude [Hz]'])
  assert.deepEqual([chart.x_unit, chart.y_unit, chart.x_scale, chart.y_scale], ['s', 'Hz', 'datetime', 'linear'])
  assert.ok(chart.x_ticks.every((tick) => Number.isFinite(Date.parse(tick))) && chart.y_ticks.every((tick) => typeof tick === 'number'))
  assert.ok([...chart.x_tick_labels, ...chart.y_tick_labels].every((label) => typeof label === 'string'))
  assert.deepEqual(chart.elements.map((line) => [line.label, line.points.length]), [['sin(x)', 100], ['cos(x)', 100]])
  assert.equal(new Date(chart.elements[0].points[0][0]).toISOString(), '2023-09-01T00:00:00.000Z')
})

shared('scatter', async (sandbox) => {
  const chart = await chartOf(sandbox, "plt.scatter([1, 2], [3, np.nan], label='Dataset 1'); plt.scatter([1], [5], label='Dataset 2'); plt.xlabel('A')")
  assert.deepEqual([chart.type, chart.title, chart.x_label, chart.y_label], ['scatter', null, 'A', null])
  assert.deepEqual(chart.elements, [{ label: 'Dataset 1', points: [[1, 3], [2, null]] }, { label: 'Dataset 2', points: [[1, 5]] }])
})

shared('bar', async (sandbox) => {
  const bars = [{ label: 'Author A', value: 100, group: '_container0' }, { label: 'Author B', value: 200, group: '_container0' }]
  const upright = await chartOf(sandbox, "plt.bar(['Author A', 'Author B'], [100, 200]); plt.xlabel('Authors'); plt.ylabel('Books')")
  assert.deepEqual([upright.type, upright.x_label, upright.y_label, upright.x_unit, upright.elements], ['bar', 'Authors', 'Books', null, bars])
  const lying = await chartOf(sandbox, "plt.barh(['Author A', 'Author B'], [100, 200]); plt.xlabel('Books'); plt.ylabel('Authors')")
  assert.deepEqual([lying.type, lying.x_label, lying.y_label, lying.elements], ['bar', 'Authors', 'Books', bars])
})

shared('pie', async (sandbox) => {
  const chart = await chartOf(sandbox, "plt.pie([90, 10], labels=['No', 'No, in blue'], autopct='%1.1f%%', startangle=90); plt.title('Will I wake up early tomorrow?')")
  assert.deepEqual([chart.type, chart.title], ['pie', 'Will I wake up early tomorrow?'])
  assert.deepEqual(chart.elements, [{ label: 'No', angle: 324, radius: 1 }, { label: 'No, in blue', angle: 36, radius: 1 }])
})

for (const patches of ['True', 'False']) {
  shared(patches === 'True' ? 'box-and-whisker' : 'box-and-whisker of lines', async (sandbox) => {
    const chart = await chartOf(sandbox, `
fig, ax = plt.subplots()
ax.set_title('Exam Scores Distribution'); ax.set_xlabel('Class'); ax.set_ylabel('Score')
ax.boxplot([[85, 90, 78, 92, 88], [95, 89, 76, 91, 84, 87], [75, 82, 88, 79, 86]], labels=['Class A', 'Class B', 'Class C'], patch_artist=${patches})`)
    assert.deepEqual([chart.type, chart.title, chart.x_label, chart.y_label], ['box_and_whisker', 'Exam Scores Distribution', 'Class', 'Score'])
    const column = (name) => chart.elements.map((box) => box[name])
    assert.deepEqual(column('label'), ['Class A', 'Class B', 'Class C'])
    assert.deepEqual(column('outliers'), [[], [76], []])
    assert.deepEqual([column('min'), column('max')], [[78, 84, 75], [92, 95, 88]])
    assert.deepEqual([column('first_quartile'), column('median'), column('third_quartile')], [[85, 84.75, 79], [88, 88, 82], [90, 90.5, 86]])
  })
}

shared('superchart', async (sandbox) => {
  const chart = await chartOf(sandbox, "fig, axs = plt.subplots(1, 2); fig.suptitle('Multiple'); axs[0].plot([1, 2]); axs[1].scatter([1], [2]); axs[1].set_title('S')")
  assert.deepEqual([chart.type, chart.title], ['superchart', 'Multiple'])
  assert.deepEqual(chart.elements.map((one) => [one.type, one.title]), [['line', null], ['scatter', 'S']])
})

shared('scales', async (sandbox) => {
  const chart = await chartOf(sandbox, "plt.plot([1, 10, 100], ['A', 'B', 'C']); plt.xscale('log')")
  assert.deepEqual([chart.x_scale, chart.y_scale], ['log', 'categorical'])
})

shared('unknown', async (sandbox) => {
  const chart = await chartOf(sandbox, "plt.imshow([[1, 2], [3, 4]]); plt.title('picture')")
  assert.deepEqual(chart, { type: 'unknown', title: 'picture', elements: [] })
})
