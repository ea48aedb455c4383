"""What the plans of .tflite files have in common: that of a small one, for ``skeleton`` to learn first.

It is that of the zoo's digits CNN (convolutions, pooling, dense layers, int8) as Bramble's exporter writes it. Part of
the format: a change of it is a new version of ``unpack``. Made by benchmarks/dictionary.py.
"""

from __future__ import annotations

import base64
import zlib

_TEXT = (
    "c-oDW&2G~`5XWcsBeC5ibrMw61HwW`a3REPT9C?@#04aJL5OQqsgbbMxG1ERdNXgpOK?WK0k6SB@C-0ByNQh*DmGesv-AJW{&&{4"
    ")qq+V4FFoMmL~ejD4FQ<gaX{rX2-`uWsJl^y2=pH7!*B@E!Y--LR88iPf-vcKx9oKnv@bGDhLv*C^Ict5~@mQ++!uHXfj|`S5&&5"
    "H<rBnq>d?X+{|n0L?pz7A`uZ$ldv_yh<D%JdIuGEw>(M3Y1PTNLP|;SkezyRw<Oy&Qn5={vq$W-Nd$F*)rAm`EAAeaL|AvnjsoAs"
    "-By-=yjV`pPOfGPF4gCvIKm*n;<szHT2apEx}36mm5w>p{Qa*ZZ)s5CTbpp>yT?<;1{!XbSm!z{ao8TO+WY?XN%NSxn{eg3$M+e#"
    "q2W%6_39PJRmD|0Vfn6xd!>APliX)NU~}KzJ%8%WJt(nw6Baq_kg?l8!)JUbLvXEmDE(>*`S*9@ETOw=zPJ1nYBjo2xYrla(tzIX"
    "S2Q#Z;{&r6*qIc}e=C%H50ncEjd0AiD1}=`Kwn}`)cMzXvYYjK-Tz;&Q(aGWD|_v^&zI<BL*l4cdGcAs=Vd93oYK9p&P(98z=F1a"
    "$Sjm9O8CL4<TVCyI6uj9lF+U=%c(mKa;mqF-@JaCygbh@XN%?RbY$t!;=oEBFfOn;da)YZU&rpQMqk#dA8H*<WMpeU#5hhz>0~r6"
    "p9B$_AvBvF&a-^FxX72;d^RPopR)7Zy3-qgY=vq9w!NwX#b~4rs1_jC;SUw`KPC"
)


def words() -> bytes:
    """The 1,630 bytes."""
    return zlib.decompress(base64.b85decode(_TEXT))
