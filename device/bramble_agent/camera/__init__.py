"""The camera loop: a board that looks, decides and acts for months.

    source ─▶ newest frame ─▶ predict ─▶ decide ─▶ events ─▶ actions
    (capture thread)          (the loop's own thread)        (a thread an action)

Nothing here is imported by the agent's other verbs; what an action or a source needs beyond NumPy, Pillow and the
runtime is imported when that one is opened.
"""
