"""A flame graph as one SVG file without network: width is time, a click zooms, the field at the top searches.

Colours tell kernel (grey-blue), the project's own crates (orange), and what they use (yellow-green).
"""

from html import escape

WIDTH, ROW, TOP = 1400, 17, 60
NARROWEST = 0.4
LETTER = 6.6


def svg(root, title):
    """The picture of a tree of stacks."""
    boxes = []
    depth = place(root, 0, 0.0, WIDTH / max(root.count, 1), boxes)
    height = TOP + (depth + 1) * ROW + 10
    parts = [HEAD % {"width": WIDTH, "height": height, "title": escape(title), "count": root.count}]
    parts += [box(*entry, height, root.count) for entry in boxes]
    return "".join(parts) + "</g><script><![CDATA[%s]]></script></svg>\n" % SCRIPT


def place(node, level, left, scale, boxes):
    """Notes a box for the node and its children; returns the deepest level."""
    width = node.count * scale
    if width < NARROWEST:
        return level
    boxes.append((node, level, left, width))
    deepest = level
    for name in sorted(node.children):
        child = node.children[name]
        deepest = max(deepest, place(child, level + 1, left, scale, boxes))
        left += child.count * scale
    return deepest


def box(node, level, left, width, height, whole):
    bottom = height - 10 - (level + 1) * ROW
    name = node.name.removesuffix("_[k]")
    letters = int((width - 4) / LETTER)
    shown = name if len(name) <= letters else name[:letters - 1] + "…" if letters > 3 else ""
    about = "%s: %d samples, %.2f %%" % (name, node.count, 100 * node.count / max(whole, 1))
    return ('<g class="f" data-n="%s" data-x="%.2f" data-w="%.2f"><title>%s</title><rect x="%.2f" y="%d" width="%.2f" '
            'height="%d" fill="%s"/><text x="%.2f" y="%d">%s</text></g>\n') % (
        escape(name, quote=True), left, width, escape(about), left, bottom, width, ROW - 1, colour(node.name), left + 3,
        bottom + 12, escape(shown))


def colour(name):
    shade = sum(name.encode()) % 40
    if name.endswith("_[k]"):
        return "rgb(%d,%d,%d)" % (150 + shade, 165 + shade, 200)
    if "crosspoint" in name:
        return "rgb(%d,%d,%d)" % (240, 130 + shade, 60)
    return "rgb(%d,%d,%d)" % (205 + shade, 215, 110)


SCRIPT = """
const frames=[...document.querySelectorAll('.f')], whole=%d;
function zoom(left,width){for(const f of frames){const x=(f.dataset.x-left)*whole/width, w=f.dataset.w*whole/width;
const out=x+w<0.01||x>whole-0.01; f.style.display=out?'none':''; if(out)continue;
const from=Math.max(x,0), size=Math.min(x+w,whole)-from, r=f.querySelector('rect'), t=f.querySelector('text'), n=f.dataset.n;
r.setAttribute('x',from); r.setAttribute('width',size); t.setAttribute('x',from+3);
const l=Math.floor((size-4)/%s); t.textContent=n.length<=l?n:l>3?n.slice(0,l-1)+'…':'';}}
for(const f of frames)f.addEventListener('click',()=>zoom(+f.dataset.x,+f.dataset.w));
function find(text){for(const f of frames)f.classList.toggle('hit',text!==''&&f.dataset.n.includes(text));}
document.querySelector('input')?.addEventListener('input',e=>find(e.target.value));
""" % (WIDTH, LETTER)

HEAD = """<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %(width)d %(height)d" width="%(width)d" height="%(height)d">
<style>text{font:11px monospace;pointer-events:none}.title{font:15px sans-serif}.f{cursor:pointer}.f:hover rect,.hit rect{stroke:#000}
.hit rect{fill:#d0f}</style><rect width="100%%" height="100%%" fill="#fff"/>
<text class="title" x="10" y="22">%(title)s: %(count)d samples</text>
<foreignObject x="10" y="30" width="400" height="26"><input xmlns="http://www.w3.org/1999/xhtml" placeholder="search" /></foreignObject>
<g id="frames">
"""
