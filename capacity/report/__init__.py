"""`report`: one HTML file with everything in it, from the JSON files of the other verbs.

svg.py      axes, lines, bands, bars: inline SVG, no scripts, tooltips by <title>
charts.py   which figures stand in which chart
page.py     the page: tables, texts, style for light and dark
"""
