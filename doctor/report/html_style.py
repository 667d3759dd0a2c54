"""The style sheet of the HTML report: light and dark, no picture, no font from elsewhere."""

STYLE = """
:root { color-scheme: light dark; --ink: #1f2328; --paper: #fff; --line: #d0d7de; --soft: #59636e; --well: #1a7f37;
  --error: #c9372c; --warning: #9a6700; --hint: #0969da; --learnt: #c5ecd0; --read: #eceff2; --lost: #f7c6c2 }
@media (prefers-color-scheme: dark) { :root { --ink: #e6edf3; --paper: #0d1117; --line: #3d444d; --soft: #9198a1;
  --well: #3fb950; --error: #f85149; --warning: #d29922; --hint: #4493f8; --learnt: #1c4428; --read: #212830;
  --lost: #5c2a2a } }
body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper); max-width: 60rem;
  margin: 2rem auto; padding: 0 1rem }
h1 { font-size: 1.5rem; margin: 0 } h2 { font-size: 1.15rem; margin: 2rem 0 .5rem; overflow-wrap: anywhere }
h2 small, .soft { color: var(--soft); font-weight: normal } h3 { font-size: 1rem; margin: 0 }
h3 code { color: var(--soft); font-weight: normal }
p { margin: .25rem 0; overflow-wrap: anywhere } .verdict { font-size: 1.1rem; margin: .8rem 0 }
span.error { color: var(--error) } span.warning { color: var(--warning) } span.hint { color: var(--hint) }
span.well { color: var(--well) }
article { border: 1px solid var(--line); border-left: 4px solid var(--line); border-radius: 6px; padding: .6rem 1rem;
  margin: .6rem 0 }
article.error { border-left-color: var(--error) } article.warning { border-left-color: var(--warning) }
article.hint { border-left-color: var(--hint) }
pre { background: var(--read); border-radius: 6px; padding: .4rem .8rem; margin: .3rem 0; overflow-x: auto }
table { border-collapse: collapse; margin: .6rem 0; font-variant-numeric: tabular-nums }
th, td { text-align: left; padding: .1rem 1.2rem .1rem 0; font-weight: normal } th { color: var(--soft) }
details { margin: .8rem 0 } summary { cursor: pointer }
.key { font: 12px/1.8 ui-monospace, monospace; margin-left: .6rem }
.row { font: 13px/1.9 ui-monospace, monospace; white-space: pre-wrap; overflow-wrap: anywhere;
  border: 1px solid var(--line); border-radius: 6px; padding: .6rem .8rem; margin: .4rem 0 }
i { font-style: normal; border-radius: 3px; box-shadow: inset 0 0 0 .5px var(--line); padding: .05rem 0 }
.key i { padding: .1rem .4rem }
.l { background: var(--learnt) } .p { background: var(--read); color: var(--soft) } .x, .xl { background: var(--lost) }
.xl, .xp { text-decoration: line-through } .xp { color: var(--soft) }
.cut { display: block; margin: .4rem 0; border-top: 2px dashed var(--error); color: var(--error); font-size: 12px }
"""
